"""account life, follow-ups and inbound events

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("social_accounts", sa.Column("login", sa.String(32), server_default="", nullable=False))
    op.add_column(
        "social_accounts",
        sa.Column("owner_ids_external", postgresql.ARRAY(sa.String(128)), server_default="{}", nullable=False),
    )
    op.add_column("social_accounts", sa.Column("checked_at", _TIME))
    op.add_column("social_accounts", sa.Column("access_ends_at", _TIME))
    op.create_index(
        "ix_social_accounts_owner_ids_external", "social_accounts", ["owner_ids_external"], postgresql_using="gin"
    )
    op.create_index(
        "ix_social_accounts_checked_at",
        "social_accounts",
        ["checked_at"],
        postgresql_where=sa.text("status = 'connected'"),
    )
    op.execute("UPDATE social_accounts SET checked_at = COALESCE(connected_at, now()) WHERE status = 'connected'")
    op.add_column("oauth_states", sa.Column("login", sa.String(32), server_default="", nullable=False))
    op.add_column("posts", sa.Column("live_status", sa.String(16)))
    op.add_column("posts", sa.Column("live_checked_at", _TIME))
    op.add_column("posts", sa.Column("first_comment_status", sa.String(16)))
    op.add_column("posts", sa.Column("first_comment_error", sa.Text()))
    op.create_table(
        "connection_choices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("login", sa.String(32), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("key_version", sa.String(16), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_connection_choices_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection_choices")),
    )
    op.create_index(op.f("ix_connection_choices_user_id"), "connection_choices", ["user_id"])
    op.create_table(
        "follow_ups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("post_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("lease_until", _TIME),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("missing", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("sent_at", _TIME),
        sa.Column("done_at", _TIME),
        sa.Column("outcome", sa.String(32)),
        sa.Column("created_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["social_accounts.id"],
            name=op.f("fk_follow_ups_account_id_social_accounts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_follow_ups_post_id_posts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_ups")),
        sa.UniqueConstraint("post_id", "kind", name=op.f("uq_follow_ups_post_id_kind")),
    )
    op.create_index(op.f("ix_follow_ups_account_id"), "follow_ups", ["account_id"])
    op.create_index("ix_follow_ups_due_at", "follow_ups", ["due_at"], postgresql_where=sa.text("done_at IS NULL"))
    op.create_table(
        "inbound_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("external_id", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("handled_at", _TIME),
        sa.Column("outcome", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_events")),
        sa.UniqueConstraint("source", "external_id", name=op.f("uq_inbound_events_source_external_id")),
    )
    op.create_index(
        "ix_inbound_events_open", "inbound_events", ["created_at"], postgresql_where=sa.text("handled_at IS NULL")
    )
    op.create_table(
        "deletion_requests",
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("accounts", sa.Integer(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("completed_at", _TIME),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_deletion_requests")),
    )


def downgrade() -> None:
    for table in ("deletion_requests", "inbound_events", "follow_ups", "connection_choices"):
        op.drop_table(table)
    for column in ("first_comment_error", "first_comment_status", "live_checked_at", "live_status"):
        op.drop_column("posts", column)
    op.drop_column("oauth_states", "login")
    for column in ("access_ends_at", "checked_at", "owner_ids_external", "login"):
        op.drop_column("social_accounts", column)
