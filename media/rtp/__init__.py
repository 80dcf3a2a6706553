"""RTP without I/O (RFC 3550): packets, reception statistics, telephone events, stream continuity."""
