"""The Messages API of Claude, as far as captions need it. Source: claude.md, SDK 2.12."""
