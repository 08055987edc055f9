"""The built-in parametric human head, written as code: geometry, identity, expressions and reflectance in closed form."""

from cddfm.head.build import Head, build_head

__all__ = ["Head", "build_head"]
