"""The part of the installation that needs the environment: the secrets."""

from app.settings import data_dir
from deploy.secrets import ensure_secrets


def main() -> None:
    made = ensure_secrets(data_dir())
    if made:
        print(f"  Generated {len(made)} secrets in {data_dir() / 'secrets.env'}")


if __name__ == "__main__":
    main()
