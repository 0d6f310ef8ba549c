"""Convolutions: the other way to read a whole sequence at once, and the usual way to read an image."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import require_int, require_sequence

__all__ = ["CausalConvolution", "SmallCNN"]


class CausalConvolution(nn.Module):
    """Each output sees its own input and kernel−1 before it, `dilation` apart. x (B, T, D) → (B, T, D).

    All outputs are computed at once; to see far, layers are stacked (ByteNet, Kalchbrenner et al. 2016;
    ConvS2S, Gehring et al. 2017).
    """

    def __init__(self, D: int, kernel: int = 3, dilation: int = 1):
        super().__init__()
        self.D, self.dilation = require_int("D", D), require_int("dilation", dilation)
        self.reach = (require_int("kernel", kernel, 2) - 1) * dilation
        self.layer = nn.Conv1d(D, D, kernel, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        require_sequence("x", x, self.D)
        x = F.pad(x.transpose(1, 2), (self.reach, 0))  # (B, D, reach + T): nothing comes from the future
        return self.layer(x).transpose(1, 2)  # (B, T, D)


class SmallCNN(nn.Module):
    """Two convolutions and two linear layers: images as patches (B, 16, 4) of 8×8 grey values → (B, 1, classes).

    It reads the same tokens as a vision Transformer and puts them back together first.
    """

    def __init__(self, classes: int = 10, channels: int = 16):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1), nn.ReLU(),
            nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Dropout(0.3), nn.Linear(2 * channels * 16, 48), nn.ReLU(), nn.Linear(48, require_int("classes", classes)),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        require_sequence("x", x, 4)
        image = x.view(-1, 4, 4, 2, 2).transpose(2, 3).reshape(-1, 1, 8, 8)  # (B, 1, 8, 8)
        return self.layers(image).unsqueeze(1)  # (B, 1, classes)
