"""LeNet in the form of the mixup authors' CIFAR code (62,006 parameters for ten classes at 3x32x32)."""

from torch import Tensor, nn
from torch.nn import functional as F

from levelhead.models.task import Task


def lenet(task: Task) -> nn.Module:
    """LeNet as LaMix trained it: no batch norm, no dropout."""
    channels, height, width = task.image("lenet", at_least=16)
    return LeNet(task.num_classes, channels, (height, width))


class LeNet(nn.Module):
    """Two 5x5 convolutions with max-pooling, three linear layers, no batch norm."""

    def __init__(self, num_classes: int, in_channels: int, image_size: tuple[int, int]) -> None:
        super().__init__()
        height, width = (((side - 4) // 2 - 4) // 2 for side in image_size)
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * height * width, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Images ``(B, in_channels, H, W)`` to logits ``(B, C)``."""
        hidden = F.max_pool2d(F.relu(self.conv1(inputs)), 2)
        hidden = F.max_pool2d(F.relu(self.conv2(hidden)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(hidden)))))
