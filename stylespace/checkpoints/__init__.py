"""Other people's StyleGAN2 checkpoints: read exactly, without executing anything in them, and written in rosinality's layout."""

from stylespace.checkpoints.read import Checkpoint, load_generator, read_checkpoint
from stylespace.checkpoints.rosinality import write_rosinality

__all__ = ["Checkpoint", "load_generator", "read_checkpoint", "write_rosinality"]
