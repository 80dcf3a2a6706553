"""Carriers as calls see them: described, chosen for a call, registered at, asked whether they are there.

`description` is what is configured, `live` what is alive of it and implements `calls.neighbours.Gateways`, with
`enrolment` for our registrations and `probing` for OPTIONS; `plan` makes the INVITEs of a call to a number, `arriving`
reads those that come in.
"""
