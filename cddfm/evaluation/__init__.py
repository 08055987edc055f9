"""How well edits work: every method in every domain, judged by networks that trained nothing, and against the world's own answers."""
