"""Entry point of the `narrows` script and of `python -m stream`."""

from stream.cli.app import main

if __name__ == "__main__":
    main()
