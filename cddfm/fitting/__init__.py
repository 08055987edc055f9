"""The parts of `cddfm.fit`: derivatives of landmarks and pixels, the solver, and files in and out."""
