"""uploaded media

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NOW = sa.text("now()")


def _time(name: str, *, default: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=_NOW if default else None, nullable=False)


def _owner(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def upgrade() -> None:
    op.create_table(
        "media_assets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("url_name", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("mime_type", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("storage_key", sa.String(255), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("alt_text", sa.Text()),
        _time("created_at"),
        _time("last_used_at"),
        *_owner("media_assets"),
    )
    op.create_index(
        "ix_media_assets_user_id_created_at",
        "media_assets",
        ["user_id", sa.text("created_at DESC"), sa.text("id DESC")],
    )
    op.create_index("ix_media_assets_last_used_at", "media_assets", ["last_used_at"])
    op.create_table(
        "media_renditions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("url_name", sa.String(80), nullable=False),
        sa.Column("targets", postgresql.JSONB(), nullable=False),
        sa.Column("fit", sa.String(8), nullable=False),
        sa.Column("recipe", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("progress", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_message", sa.Text()),
        sa.Column("storage_key", sa.String(255)),
        sa.Column("mime_type", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("facts", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("lease_id", sa.Uuid()),
        _time("lease_until"),
        _time("created_at"),
        _time("last_used_at"),
        sa.ForeignKeyConstraint(
            ["asset_id"],
            ["media_assets.id"],
            name=op.f("fk_media_renditions_asset_id_media_assets"),
            ondelete="CASCADE",
        ),
        *_owner("media_renditions"),
    )
    op.create_index(op.f("ix_media_renditions_asset_id"), "media_renditions", ["asset_id"])
    op.create_index(op.f("ix_media_renditions_user_id"), "media_renditions", ["user_id"])
    op.create_index(
        "ix_media_renditions_open",
        "media_renditions",
        ["lease_until"],
        postgresql_where=sa.text("status IN ('pending', 'running')"),
    )
    op.create_table(
        "media_uploads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("asset_id", sa.Uuid()),
        _time("created_at"),
        _time("expires_at", default=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["media_assets.id"], name=op.f("fk_media_uploads_asset_id_media_assets"), ondelete="SET NULL"
        ),
        *_owner("media_uploads"),
    )
    op.create_index(op.f("ix_media_uploads_user_id"), "media_uploads", ["user_id"])
    op.create_index("ix_media_uploads_expires_at", "media_uploads", ["expires_at"])
    op.create_table(
        "media_discards",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("storage_key", sa.String(255), nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_discards")),
    )
    op.execute("""
        CREATE FUNCTION discard_media() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO media_discards (storage_key) VALUES (OLD.storage_key);
            RETURN NULL;
        END $$
    """)
    for table in ("media_assets", "media_renditions"):
        op.execute(f"""
            CREATE TRIGGER discard_media AFTER DELETE ON {table}
            FOR EACH ROW WHEN (OLD.storage_key IS NOT NULL) EXECUTE FUNCTION discard_media()
        """)


def downgrade() -> None:
    for table in ("media_discards", "media_uploads", "media_renditions", "media_assets"):
        op.drop_table(table)
    op.execute("DROP FUNCTION discard_media")
