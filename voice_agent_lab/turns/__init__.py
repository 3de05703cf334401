"""The turn itself: the stages put together, and who waits for whom.

`hearing` goes from the microphone to the transcript, `answering` from there to the last sound; `agent`
and `conversation` are made of the two.
"""
