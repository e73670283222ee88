"""The one-call fix: from what phones and designers make to what every platform takes."""

from __future__ import annotations

import asyncio
import io
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories.answers import field_errors, ok, problem
from factories.make import Factory, MadeUser
from factories.media_files import P3_GREEN_IN_SRGB, P3_RED_IN_SRGB, phone_video, photograph, video
from PIL import Image
from sqlalchemy.exc import OperationalError

from app.composition import Container
from app.db.unit_of_work import unit_of_work
from app.kit.ids import new_id
from app.repositories.rendition_repository import RenditionRepository
from app.services.media import renditions
from app.storage import transcode
from app.storage.refusals import FileRefused
from app.storage.store import StoreUnavailable

IMAGES = [("instagram", "image"), ("facebook", "photo"), ("tiktok", "photo")]
VIDEOS = [("instagram", "reel"), ("facebook", "reel"), ("tiktok", "video")]
COLOR_TOLERANCE = 4


def targets(pairs: list[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"platform": platform, "post_type": post_type} for platform, post_type in pairs]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


async def upload(client: httpx.AsyncClient, path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return dict(ok(await client.post("/media", files={"file": (path.name, file)}), 201))


async def fixed(client: httpx.AsyncClient, container: Container, asset: dict[str, Any], **body: Any) -> dict[str, Any]:
    """Ask for a rendition, let a worker make it, and return it with its content."""
    asked = ok(await client.post(f"/media/{asset['id']}/fix", json=body), 202)
    assert (asked["status"], asked["progress"], asked["url"]) == ("pending", 0, None)
    await container.media_renditions.work()
    made = ok(await client.get(f"/media/{asset['id']}/renditions/{asked['id']}"))
    assert (made["status"], made["progress"], made["error_message"]) == ("ready", 100, None)
    key = f"renditions/{made['id'].replace('-', '')[-2:]}/{made['id']}.{made['url'].rpartition('.')[2]}"
    async with container.store.local(key) as path:
        made["content"] = path.read_bytes()
    return dict(made)


def close(color: Any, expected: tuple[int, int, int], tolerance: int = COLOR_TOLERANCE) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(color, expected, strict=True))


PHONE_PICTURE = Path(__file__).parent / "data" / "phone.heic"


class TestPictures:
    async def test_a_phones_heic_becomes_a_jpeg_that_all_three_platforms_take(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container
    ) -> None:
        asset = await upload(client, PHONE_PICTURE)
        assert (asset["mime_type"], asset["width_px"], asset["height_px"]) == ("image/heic", 640, 480)
        verdict = next(v for v in asset["verdicts"] if (v["platform"], v["post_type"]) == ("instagram", "image"))
        assert (verdict["ok"], verdict["fix_possible"]) == (False, True)
        assert [problem["code"] for problem in verdict["problems"]] == ["unsupported_media_type"]
        made = await fixed(client, container, asset, targets=targets(IMAGES))
        with Image.open(io.BytesIO(made["content"])) as picture:
            assert (picture.format, picture.size) == ("JPEG", (640, 480))
            assert close(picture.convert("RGB").getpixel((20, 20)), (254, 0, 0), 8)

    async def test_a_wide_photograph_in_display_p3_fits_all_three_platforms(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container, folder: Path
    ) -> None:
        photograph(folder / "photo.png")
        asset = await upload(client, folder / "photo.png")
        assert (asset["color_space"], asset["width_px"], asset["height_px"]) == ("display-p3", 6000, 4000)
        made = await fixed(client, container, asset, targets=targets(IMAGES), fit="crop")
        assert (made["mime_type"], made["color_space"]) == ("image/jpeg", "srgb")
        assert (made["width_px"], made["height_px"]) == (1620, 1080)
        picture = Image.open(io.BytesIO(made["content"]))
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (1620, 1080))
        assert "icc_profile" not in picture.info
        assert "progressive" not in picture.info
        assert len(made["content"]) == made["size_bytes"] < 8_000_000
        assert close(picture.getpixel((60, 60)), P3_RED_IN_SRGB)
        assert close(picture.getpixel((1560, 1020)), P3_GREEN_IN_SRGB)

    async def test_a_turned_picture_stands_upright_and_loses_what_it_said(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container, folder: Path
    ) -> None:
        picture = Image.new("RGB", (1200, 900), (20, 40, 200))
        picture.paste((255, 255, 255), (0, 700, 200, 900))  # turned by 90° it is at the top left
        exif = Image.Exif()
        exif[0x0112], exif[0x010E] = 6, "taken at home"
        picture.save(folder / "turned.jpg", exif=exif)
        made = await fixed(client, container, await upload(client, folder / "turned.jpg"), targets=targets(IMAGES[:1]))
        result = Image.open(io.BytesIO(made["content"]))
        assert result.width / result.height == pytest.approx(0.8, abs=0.01)
        assert b"taken at home" not in made["content"]
        assert not result.getexif()
        middle = result.height // 2
        assert close(result.getpixel((result.width // 2, middle)), (20, 40, 200))
        left = (result.width - result.height * 3 // 4) // 2
        assert close(result.getpixel((left + 40, 40)), (255, 255, 255), 10)

    async def test_transparent_becomes_white_and_a_plain_border_goes_on(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container, folder: Path
    ) -> None:
        picture = Image.new("RGBA", (3000, 600), (255, 0, 0, 0))
        picture.paste((0, 0, 0, 255), (1400, 200, 1600, 400))
        picture.save(folder / "logo.png")
        made = await fixed(client, container, await upload(client, folder / "logo.png"), targets=targets(IMAGES))
        result = Image.open(io.BytesIO(made["content"]))
        assert result.width / result.height == pytest.approx(1.91, abs=0.01)
        assert close(result.getpixel((5, 5)), (255, 255, 255))
        assert close(result.getpixel((result.width // 2, result.height // 2)), (0, 0, 0))

    @pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("L", "PNG"), ("I;16", "PNG"), ("P", "GIF")])
    async def test_every_kind_of_picture_becomes_a_plain_one(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container, folder: Path, mode: str, kind: str
    ) -> None:
        color = {"CMYK": (0, 0, 0, 128), "I;16": 32_768}.get(mode, 127)
        path = folder / f"gray.{kind.lower()}"
        Image.new(mode, (500, 500), color).save(path, kind)
        if mode == "P":
            Image.new("RGB", (500, 500), (127, 127, 127)).quantize(8).save(path, kind)
        made = await fixed(client, container, await upload(client, path), targets=targets(IMAGES[:1]))
        picture = Image.open(io.BytesIO(made["content"]))
        assert (picture.mode, picture.size) == ("RGB", (500, 500))
        assert close(picture.getpixel((250, 250)), (127, 127, 127), 8)


class TestVideos:
    async def test_a_phones_video_fits_all_three_platforms(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container, folder: Path
    ) -> None:
        import av

        phone_video(folder / "phone.mov", folder)
        asset = await upload(client, folder / "phone.mov")
        assert (asset["codec"], asset["rotation_degrees"], asset["is_variable_frame_rate"]) == ("hevc", 90, True)
        assert (asset["width_px"], asset["height_px"]) == (720, 1280)
        made = await fixed(client, container, asset, targets=targets(VIDEOS))
        assert (made["mime_type"], made["codec"], made["audio_codec"]) == ("video/mp4", "h264", "aac")
        assert (made["frame_rate"], made["color_space"]) == (30.0, "bt709")
        assert made["duration_seconds"] == pytest.approx(asset["duration_seconds"], abs=1 / 30 + 0.01)
        assert made["width_px"] / made["height_px"] == pytest.approx(9 / 16, abs=0.001)
        content = made["content"]
        assert content.index(b"moov") < content.index(b"mdat")
        assert b"elst" not in content
        with av.open(io.BytesIO(content)) as container_:
            stream, sound = container_.streams.video[0], container_.streams.audio[0]
            assert (stream.codec_context.pix_fmt, stream.codec_context.profile) == ("yuv420p", "High")
            assert (sound.sample_rate, sound.channels) == (48_000, 2)
            frames = list(container_.decode(stream))
            times = [frame.pts for frame in frames]
            keys = [number for number, frame in enumerate(frames) if frame.key_frame]
        assert len({later - earlier for earlier, later in pairwise(times)}) == 1
        assert keys == list(range(0, len(frames), 60))
        corner = frames[0].to_image().getpixel((40, 40))
        assert close(corner, (255, 255, 255), 12), corner

    async def test_a_video_that_is_too_wide_is_padded_or_cropped_and_large_enough(
        self, client: httpx.AsyncClient, signed_in: MadeUser, container: Container, folder: Path
    ) -> None:
        video(folder / "wide.mp4", seconds=3.2, size="1280x400")
        asset = await upload(client, folder / "wide.mp4")
        reel = targets([("facebook", "reel")])
        sizes = {}
        for fit in ("pad", "crop"):
            made = await fixed(client, container, asset, targets=reel, fit=fit)
            sizes[fit] = (made["width_px"], made["height_px"])
        assert sizes == {"pad": (1280, 720), "crop": (960, 540)}

    async def test_what_nothing_satisfies_is_said_by_its_field(
        self, client: httpx.AsyncClient, signed_in: MadeUser, folder: Path, factory: Factory
    ) -> None:
        video(folder / "short.mp4", seconds=1)
        asset = await upload(client, folder / "short.mp4")
        path = f"/media/{asset['id']}/fix"
        for pairs, expected in (
            ([("facebook", "reel")], ("body.targets", "targets_contradict")),
            ([("instagram", "image")], ("body.targets.0.post_type", "wrong_media_kind")),
            ([("instagram", "poem")], ("body.targets.0.post_type", "unsupported_post_type")),
        ):
            assert field_errors(await client.post(path, json={"targets": targets(pairs)})) == [expected]
        assert await factory.count("media_renditions") == 0


class TestMaking:
    @pytest.fixture
    async def asset(self, client: httpx.AsyncClient, signed_in: MadeUser, folder: Path) -> dict[str, Any]:
        path = folder / "square.png"
        Image.new("RGB", (300, 300), (9, 9, 9)).save(path)
        return await upload(client, path)

    async def test_asked_for_twice_it_is_made_once(
        self, client: httpx.AsyncClient, container: Container, asset: dict[str, Any], api_sent: list[str]
    ) -> None:
        first = await fixed(client, container, asset)
        assert api_sent == ["media.work"]
        again = ok(await client.post(f"/media/{asset['id']}/fix", json={}), 202)
        assert (again["id"], again["status"]) == (first["id"], "ready")
        assert await container.media_renditions.work() == 0
        shown = ok(await client.get(f"/media/{asset['id']}"))
        assert [one["id"] for one in shown["renditions"]] == [first["id"]]

    async def test_a_rendition_goes_into_a_post(
        self, client: httpx.AsyncClient, container: Container, asset: dict[str, Any], signed_in: MadeUser,
        factory: Factory,
    ) -> None:  # fmt: skip
        made = await fixed(client, container, asset)
        account = await factory.account(signed_in, "instagram")
        body = {"account_id": str(account.id), "content": "Hi", "media_urls": [made["url"]]}
        (item,) = ok(await client.post("/posts", json=body), 201)["media"]
        assert (item["kind"], item["mime_type"], item["size_bytes"]) == ("image", "image/jpeg", made["size_bytes"])
        assert problem(await client.delete(f"/media/{asset['id']}")) == (409, "media_in_use")

    async def test_what_a_dead_worker_left_is_taken_up_again(
        self, client: httpx.AsyncClient, container: Container, asset: dict[str, Any], factory: Factory
    ) -> None:
        asked = ok(await client.post(f"/media/{asset['id']}/fix", json={}), 202)
        await factory.execute(
            "UPDATE media_renditions SET status = 'running', tries = 1, lease_id = gen_random_uuid(), "
            "lease_until = clock_timestamp() + interval '1 minute'"
        )
        assert await container.media_renditions.work() == 0
        await factory.execute("UPDATE media_renditions SET lease_until = clock_timestamp() - interval '1 day'")
        assert await container.media_renditions.work() == 1
        made = ok(await client.get(f"/media/{asset['id']}/renditions/{asked['id']}"))
        assert made["status"] == "ready"
        await factory.execute("UPDATE media_renditions SET status = 'running', tries = 4, storage_key = NULL")
        assert await container.media_renditions.work() == 1
        made = ok(await client.get(f"/media/{asset['id']}/renditions/{asked['id']}"))
        assert (made["status"], made["error_code"]) == ("failed", "media_unreadable")

    async def test_two_workers_make_each_once(
        self, rows: Factory, real_client: httpx.AsyncClient, owner: MadeUser, make_worker: Any, folder: Path
    ) -> None:
        path = folder / "twice.png"
        Image.new("RGB", (300, 300), (9, 9, 9)).save(path)
        for _ in range(4):
            asset = await upload(real_client, path)
            ok(await real_client.post(f"/media/{asset['id']}/fix", json={}), 202)
        workers = [make_worker(name) for name in ("one", "two")]
        counts = await asyncio.gather(*(worker.media_renditions.work() for worker in workers))
        assert sum(counts) == 4
        assert await rows.scalar("SELECT count(*) FROM media_renditions WHERE status = 'ready' AND tries = 1") == 4

    async def test_a_database_that_blinks_does_not_undo_what_was_made(
        self, client: httpx.AsyncClient, container: Container, asset: dict[str, Any], factory: Factory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        asked = ok(await client.post(f"/media/{asset['id']}/fix", json={}), 202)
        made: list[Path] = []
        away: list[bool] = []
        convert, change = container.media_renditions._probe.convert, RenditionRepository.change_leased

        async def slow(path: Path, target: Path, recipe: dict[str, Any]) -> Any:
            await asyncio.sleep(0.2)
            made.append(target)
            return await convert(path, target, recipe)

        async def blinks(self: RenditionRepository, *args: Any, **values: Any) -> bool:
            if "status" not in values or len(away) < 3:
                away.append("status" in values)
                raise OperationalError("UPDATE", None, ConnectionResetError())
            return await change(self, *args, **values)

        monkeypatch.setattr(renditions, "KEEP_SECONDS", 0.02)
        monkeypatch.setattr(renditions, "RECORD_PAUSE_SECONDS", 0.01)
        monkeypatch.setattr(container.media_renditions._probe, "convert", slow)
        monkeypatch.setattr(RenditionRepository, "change_leased", blinks)
        assert await container.media_renditions.work() == 1
        shown = ok(await client.get(f"/media/{asset['id']}/renditions/{asked['id']}"))
        assert (shown["status"], len(made), False in away) == ("ready", 1, True)
        assert await factory.count("media_discards") == 0

    async def test_what_cannot_be_written_down_is_tried_again_for_a_while(
        self, client: httpx.AsyncClient, container: Container, asset: dict[str, Any], factory: Factory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        ok(await client.post(f"/media/{asset['id']}/fix", json={}), 202)
        change = RenditionRepository.change_leased
        left = [3]

        async def blinks(self: RenditionRepository, *args: Any, **values: Any) -> bool:
            left[0] -= 1
            if left[0] >= 0:
                raise OperationalError("UPDATE", None, ConnectionResetError())
            return await change(self, *args, **values)

        monkeypatch.setattr(renditions, "RECORD_PAUSE_SECONDS", 0.01)
        monkeypatch.setattr(RenditionRepository, "change_leased", blinks)
        assert await container.media_renditions.work() == 1
        assert await factory.scalar("SELECT status FROM media_renditions") == "ready"

    async def test_a_store_that_is_away_is_no_try(
        self, client: httpx.AsyncClient, container: Container, asset: dict[str, Any], factory: Factory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        ok(await client.post(f"/media/{asset['id']}/fix", json={}), 202)

        async def away(*_: Any) -> None:
            raise StoreUnavailable

        with monkeypatch.context() as patch:
            patch.setattr(container.store, "keep", away)
            for _ in range(renditions.TRIES_MAX + 2):
                assert await container.media_renditions.work() == 1
                await factory.execute("UPDATE media_renditions SET lease_until = now()")
        assert await container.media_renditions.work() == 1
        assert await factory.execute("SELECT status, tries FROM media_renditions") == [("ready", 1)]

    async def test_users_take_turns_and_nobody_asks_for_too_many(
        self, client: httpx.AsyncClient, container: Container, asset: dict[str, Any], factory: Factory,
        signed_in: MadeUser, folder: Path, monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(renditions, "OPEN_MAX", 3)
        every = [asset, *[await upload(client, folder / "square.png") for _ in range(3)]]
        for one in every[:3]:
            ok(await client.post(f"/media/{one['id']}/fix", json={}), 202)
        assert problem(await client.post(f"/media/{every[3]['id']}/fix", json={})) == (429, "too_many_fixes")
        ok(await client.post(f"/media/{asset['id']}/fix", json={}), 202)  # asked for already
        other = await factory.user()
        client.headers.update(other.headers)
        ok(await client.post(f"/media/{(await upload(client, folder / 'square.png'))['id']}/fix", json={}), 202)
        await factory.execute(
            "UPDATE media_renditions SET lease_until = '2020-01-01' WHERE user_id = :id", id=signed_in.id
        )
        turns = []
        for is_made in (True, True, False, True):
            async with unit_of_work(container.sessions) as uow:
                claimed = await RenditionRepository(uow.session).claim(new_id(), timedelta(seconds=20))
            assert claimed is not None
            turns.append(claimed[0].user_id)
            if is_made:
                await factory.execute("UPDATE media_renditions SET status = 'ready' WHERE status = 'running'")
        assert turns == [signed_in.id, other.id, signed_in.id, signed_in.id]

    async def test_a_video_that_takes_too_much_computing_is_told_so(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transcode, "CPU_SECONDS", 1)
        recipe = {"bits_per_second": 8, "max_bytes": 8, "color_space": "bt2020", "seconds": 1}
        made = transcode.Transcode(folder / "a.mp4", "video/mp4", folder / "b.mp4", recipe)
        monkeypatch.setattr(made, "_command", lambda *_: ["/bin/sh", "-c", "while :; do :; done"])
        with pytest.raises(FileRefused) as raised:
            await made.run()
        assert raised.value.code == "media_fix_too_costly"
