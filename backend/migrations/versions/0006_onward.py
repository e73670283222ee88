"""what happens, told onwards: a number that follows the commits, what was there before, and accounts' numbers

Revision ID: 0006_onward
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0006_onward"
down_revision = "0006"
branch_labels = None
depends_on = None

_FUNCTION = """
    CREATE OR REPLACE FUNCTION tell_user_event() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        kind text;
        facts jsonb;
    BEGIN
        IF TG_TABLE_NAME = 'posts' THEN
            kind := 'post.' || CASE NEW.status WHEN 'on_hold' THEN 'held' ELSE NEW.status END;
            facts := jsonb_build_object(
                'platform', NEW.platform, 'account_id', NEW.account_id, 'scheduled_for', NEW.scheduled_for,
                'posted_at', NEW.posted_at, 'permalink', NEW.permalink, 'platform_post_id', NEW.platform_post_id,
                'error_code', NEW.error_code, 'error_message', NEW.error_message, 'group_id', NEW.group_id
            );
        ELSIF TG_TABLE_NAME = 'social_accounts' THEN
            kind := 'account.' || CASE WHEN NEW.status IN ('expired', 'revoked') THEN 'needs_reconnect'
                                       ELSE NEW.status END;
            facts := jsonb_build_object(
                'platform', NEW.platform, 'account_name', NEW.account_name, 'status', NEW.status,
                'reason', NEW.status_reason
            );
        ELSIF TG_TABLE_NAME = 'content_queue' THEN
            kind := 'queue.' || CASE
                WHEN NEW.error_code IS DISTINCT FROM OLD.error_code AND NEW.error_code IS NOT NULL THEN 'failed'
                ELSE NEW.status END;
            facts := jsonb_build_object(
                'title', NEW.product_data ->> 'title', 'status', NEW.status, 'version', NEW.version,
                'error_code', NEW.error_code, 'error_message', NEW.error_message
            );
        ELSE
            kind := 'subscription.updated';
            facts := jsonb_build_object(
                'plan', NEW.plan, 'status', NEW.status, 'past_due_since', NEW.past_due_since,
                'cancels_at', NEW.cancels_at, 'invoice_url', NEW.invoice_url{previous}
            );
        END IF;
        INSERT INTO user_events (user_id, kind, subject_id, facts) VALUES (NEW.user_id, kind, NEW.id, facts);
        RETURN NULL;
    END $$
"""
_PREVIOUS = """,
                'previous_plan', CASE WHEN TG_OP = 'UPDATE' THEN OLD.plan END,
                'previous_status', CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END"""


def upgrade() -> None:
    # Ids follow the order of inserts, not of commits. Whoever reads on from the last one seen needs a number under
    # which nothing can appear later: it is given by the one who hands events on, one transaction at a time.
    op.execute("CREATE SEQUENCE user_events_position_seq AS bigint")
    op.add_column("user_events", sa.Column("position", sa.BigInteger()))
    op.create_index("ix_user_events_user_id_position", "user_events", ["user_id", "position"])
    op.create_index(
        "ix_notifications_unread",
        "notifications",
        ["user_id"],
        postgresql_where=sa.text("read_at IS NULL AND in_app"),
    )
    op.add_column(
        "social_accounts", sa.Column("followers_due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"))
    )
    op.create_index(
        "ix_social_accounts_followers_due_at",
        "social_accounts",
        ["followers_due_at"],
        postgresql_where=sa.text("status = 'connected'"),
    )
    op.execute(_FUNCTION.replace("{previous}", _PREVIOUS))
    # An account that is new and connected at once was never updated to it.
    op.execute("""
        CREATE TRIGGER tell_new_account AFTER INSERT ON social_accounts FOR EACH ROW
        WHEN (NEW.status = 'connected') EXECUTE FUNCTION tell_user_event()
    """)


def downgrade() -> None:
    op.execute("DROP TRIGGER tell_new_account ON social_accounts")
    op.execute(_FUNCTION.replace("{previous}", ""))
    op.drop_index("ix_social_accounts_followers_due_at", "social_accounts")
    op.drop_column("social_accounts", "followers_due_at")
    op.drop_index("ix_notifications_unread", "notifications")
    op.drop_index("ix_user_events_user_id_position", "user_events")
    op.drop_column("user_events", "position")
    op.execute("DROP SEQUENCE user_events_position_seq")
