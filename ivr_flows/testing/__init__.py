"""Tests of flows, written in YAML beside them and run on virtual time.

`files` reads them, `call` is a call in a made-up world, `script` what its caller does, `expect` what must come of it,
`runner` brings these together.
"""
