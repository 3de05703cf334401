from voice_agent_lab.plots.sound import energy, spectrogram, waveform_and_energy  # noqa
