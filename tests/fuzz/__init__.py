"""What reads octets of strangers, fed with any octets; see README.md."""
