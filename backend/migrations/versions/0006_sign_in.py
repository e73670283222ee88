"""sign-in: letters that are to be written, keys that were given out by an integrating platform, people who leave

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "letter_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("facts", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_letter_requests_user_id_users"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_letter_requests")),
    )
    op.create_index(op.f("ix_letter_requests_due_at"), "letter_requests", ["due_at"])
    op.create_index(op.f("ix_letter_requests_user_id"), "letter_requests", ["user_id"])
    op.add_column(
        "api_keys", sa.Column("is_provisioned", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("users", sa.Column("erase_due_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_users_erase_due_at", "users", ["erase_due_at"], postgresql_where=sa.text("erase_due_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_column("users", "erase_due_at")
    op.drop_column("api_keys", "is_provisioned")
    op.drop_table("letter_requests")
