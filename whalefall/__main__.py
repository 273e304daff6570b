"""`python -m whalefall` is the `whalefall` command."""

from whalefall.cli.main import run

if __name__ == "__main__":
    run()
