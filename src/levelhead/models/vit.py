"""A vision transformer for small images: torchvision's, with the patches, width and depth that they ask for.

Dosovitskiy et al. 2021, pre-norm, a class token, learned positions. The usual sizes are about those of ``small`` in
time a step on a CPU: 4x4 patches of a 32x32 image are 64 tokens.
"""

from torch import nn

from levelhead.models.task import Task


def vit(
    task: Task, *, patch: int = 4, width: int = 64, layers: int = 4, heads: int = 4, dropout: float = 0.0
) -> nn.Module:
    """Vision transformer for small images, in torchvision's form; trains on a CPU with adamw."""
    from torchvision.models import VisionTransformer  # a second to import, for those who ask for it

    channels, height, side = task.image("vit")
    if height != side or height % patch or width % heads:
        raise ValueError(
            f"vit cuts square images into {patch}x{patch} patches and {width} numbers into {heads} heads, without a "
            f"rest; the images are {height}x{side}: say patch=, width= and heads= that divide them"
        )
    model = VisionTransformer(
        image_size=height, patch_size=patch, num_layers=layers, num_heads=heads, hidden_dim=width, mlp_dim=4 * width,
        dropout=dropout, num_classes=task.num_classes,
    )  # fmt: skip
    if channels != 3:
        model.conv_proj = nn.Conv2d(channels, width, patch, patch)
        nn.init.trunc_normal_(model.conv_proj.weight, std=(channels * patch * patch) ** -0.5)
        nn.init.zeros_(model.conv_proj.bias)
    model.heads.head.reset_parameters()  # torchvision's is zero, so that a seed would not show in the first logits
    return model
