"""`python -m xdb` is `xdb-cli`."""

from xdb.cli import main

if __name__ == "__main__":
    main()
