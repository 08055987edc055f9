"""`python -m cddfm` is the `cddfm` command."""

from cddfm.cli import main

main()
