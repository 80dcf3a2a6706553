"""The process at which browsers' audio arrives: ICE and DTLS-SRTP outside, plain RTP to a media worker inside.

Packets are decrypted or encrypted and passed on; no audio is decoded here.
"""
