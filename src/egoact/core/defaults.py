"""What everything starts from unless told otherwise; free of imports, so that help texts come at once."""

ENCODERS = ("hf:", "vjepa2_1_")  # how backbones begin that may be video encoders
HEAD = "difference"
ORDER_BLIND_HEAD = "average"
NUM_FRAMES = 20
RATE = 8  # pictures a second of a recording
SIZE = 256
LIVE_FRAMES_PER_SECOND = 15.0
NUM_BOOTSTRAP_DRAWS = 2000
REPETITION_GAP_SECONDS = 5.0  # the longest between an action and the same one again, in a row
TIMELINE_RATE = 4  # steps a second that a segmenter looks at
SEGMENTER = "linear"
VOICE = "espeak-ng -v en --stdin -w {wav}"
