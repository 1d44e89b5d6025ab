"""``python -m levelhead`` is the ``levelhead`` command."""

from levelhead.cli import main

if __name__ == "__main__":
    main()
