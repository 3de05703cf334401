"""The stages of a turn, in the order of the chain: each one's protocol and its simulation.

speech, user, microphone, vad, endpointing, asr, llm, aggregation, tts, playback; `distributions` says how
long a simulated stage takes. No stage knows of the agent, or of what comes after it.
"""
