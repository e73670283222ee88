"""Why a file is not taken: a stable name and a sentence for its owner."""

from __future__ import annotations

from collections.abc import Mapping

TAKEN = "Use a JPEG, PNG, WebP, HEIC or GIF picture, or an MP4, MOV or WebM video."

SENTENCES: Mapping[str, str] = {
    "media_empty": "The file is empty. Choose another one.",
    "media_not_recognised": f"The file is neither a picture nor a video that we know. {TAKEN}",
    "media_type_not_taken": f"Files of this type are not taken. {TAKEN}",
    "media_avif": "AVIF pictures and moving HEIC pictures are not taken. Save the picture as JPEG and upload that.",
    "media_svg": "SVG drawings are not taken, as no platform shows them. Save the drawing as PNG or JPEG.",
    "media_html": f"This is a web page, not a picture or a video. {TAKEN}",
    "media_pdf": "This is a PDF. Save its page as a picture and upload that.",
    "media_archive": "This is an archive. Unpack it and upload the pictures and videos in it.",
    "media_executable": f"This is a program, not a picture or a video. {TAKEN}",
    "media_playlist": "This is a list of other files. Upload the video itself.",
    "media_audio_only": "There is sound in this file but no picture. Upload a video.",
    "media_polyglot": "The file hides a second one: a page, a script or an archive. Save the picture or video anew.",
    "media_trailing_data": "Something was appended to the end of the file. Save the picture or video anew.",
    "media_truncated": "The file is cut off: its end is missing. Upload it again, or save it anew.",
    "media_corrupt": "The file is damaged and cannot be shown. Save the picture or video anew.",
    "media_unreadable": "Reading this file took too much time or memory. Save it anew, or make it smaller.",
    "media_too_many_pixels": "The picture has too many pixels: at most 60 million are taken. Make it smaller.",
    "media_dimensions": "Width and height of the file make no sense or are too large. Save it anew in a usual size.",
    "media_too_many_frames": "The animation has too many frames. Make it shorter, or upload it as a video.",
    "media_metadata_bomb": "The descriptions inside the file are far too large. Save the file anew without them.",
    "media_encrypted": "The video is protected against copying. Upload one without protection.",
    "media_no_duration": "The video has no length. Save it anew.",
    "media_external_reference": "The video plays other files from elsewhere. Export it as one file.",
    "media_codec_unknown": "The video is compressed in a way we do not know. Save it as MP4 with H.264.",
    "media_video_too_large": "The video is too long to be made small enough. Cut it shorter.",
    "media_fix_too_costly": "Making this video takes more computing time or memory than one may take. Cut it shorter.",
    "media_picture_too_large": "The picture has more than 150 MB. Make it smaller.",
}


class FileRefused(Exception):
    """A file is not taken; `code` is one of `SENTENCES`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    @property
    def sentence(self) -> str:
        return SENTENCES[self.code]
