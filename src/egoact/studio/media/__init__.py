"""The recordings of a project: what is known of them, copies that browsers play, waveforms of sound and motion."""
