"""Conversations with contacts: what every mail that is not denied becomes a message of.

`entry` is a mail on its way in, `placing` finds its conversation (pure), `recording` writes; `reading` has
the queries, `acting` what people do, `retention` and `erasing` what is forgotten.
"""
