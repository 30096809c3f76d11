"""Heads that also go frame by frame, at a cost that does not grow with the length of the clip.

Shapes: B clips, D pooled features, C x h x w maps, E embedding width.
"""

from abc import abstractmethod

from torch import Tensor

from egoact.models.heads.head import Head

State = tuple[Tensor, ...]


class SteppingHead(Head):
    """A head whose embedding of a clip is made by taking in its frames one after the other.

        state = head.initial_state(B)
        embedding, state = head.step(frame, state)      after T frames: head.forward of these T frames

    A state holds tensors only, of sizes that never change: a graph that is exported can pass it in and out.
    """

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """What is known before the first frame.

        Raises:
            ValueError: With these options the head needs whole clips.
        """

    @abstractmethod
    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:
        """Take in a frame.

        Args:
            frame: float, (B, D) or (B, C, h, w).
            state: Of the frames before; left as it is.

        Returns:
            (B, E), the embedding of all frames so far, and the state after this one.
        """
