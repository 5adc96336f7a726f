"""`python -m geoad`: the command line, as `geoad`."""

import sys

from geoad.cli import main

if __name__ == "__main__":
    sys.exit(main())
