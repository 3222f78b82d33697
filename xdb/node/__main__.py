"""`python -m xdb.node` is `xdb-node`."""

from xdb.node.main import main

if __name__ == "__main__":
    main()
