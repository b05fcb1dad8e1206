"""What a good engineer writes by hand: torchvision, PIL and a DataLoader, float32, nothing of tmdscope.

The loops are correct (training and evaluation mode, weighted sampling, no gradient where none is needed) and
plain: pictures are opened from disk by PIL in every epoch, flipped, scaled and normalised one by one,
collated by a DataLoader, and trained in PyTorch's default memory layout; heads on features are trained one
after another.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler
from torchvision import transforms
from torchvision.models import get_model

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Batches = DataLoader[tuple[Tensor, int]]

TRAIN = transforms.Compose(
    [
        transforms.RandomHorizontalFlip(),
        transforms.RandomVerticalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
)
PLAIN = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])


class PictureFolder(Dataset[tuple[Tensor, int]]):
    """Pictures on disk, opened when they are asked for.

    Parameters
    ----------
    paths : list of Path
        The pictures.
    labels : list of int
        Class of each.
    transform : transforms.Compose
        From an RGB picture to a tensor.
    """

    def __init__(self, paths: list[Path], labels: list[int], transform: transforms.Compose) -> None:
        self.paths = paths
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:  # noqa: D105
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:  # noqa: D105
        with Image.open(self.paths[index]) as picture:
            return self.transform(picture.convert("RGB")), self.labels[index]


def training_loader(paths: list[Path], labels: list[int], batch_size: int, processes: int = 0) -> Batches:
    """Read flipped pictures, as many as there are, drawn with replacement, every class equally likely.

    Parameters
    ----------
    paths : list of Path
        The pictures.
    labels : list of int
        Class of each.
    batch_size : int
        Pictures in a step.
    processes : int, optional
        Processes that open them, kept from epoch to epoch; 0 opens them in this one.

    Returns
    -------
    torch.utils.data.DataLoader
        Float images B x 3 x S x S, and labels B.
    """
    counts = torch.bincount(torch.tensor(labels))
    sampler = WeightedRandomSampler([1.0 / float(counts[label]) for label in labels], len(labels))
    return _loader(PictureFolder(paths, labels, TRAIN), batch_size, processes, sampler)


def plain_loader(paths: list[Path], batch_size: int, processes: int = 0) -> Batches:
    """Read pictures in order, as they are.

    Parameters
    ----------
    paths : list of Path
        The pictures.
    batch_size : int
        Pictures in a step.
    processes : int, optional
        As in `training_loader`.

    Returns
    -------
    torch.utils.data.DataLoader
        Float images B x 3 x S x S, and zeros.
    """
    return _loader(PictureFolder(paths, [0] * len(paths), PLAIN), batch_size, processes)


def _loader(
    dataset: PictureFolder, batch_size: int, processes: int, sampler: WeightedRandomSampler | None = None
) -> Batches:
    return DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        num_workers=processes,
        persistent_workers=processes > 0,
        pin_memory=torch.cuda.is_available(),
    )


@dataclass
class Trainer:
    """A ResNet with the paper's head and its optimiser.

    Attributes
    ----------
    classes : int
        Number of classes.
    device : torch.device
        Where to train.
    learning_rate : float
        Of Adam.
    architecture : str
        torchvision's name of the network.
    mixed : bool
        Whether to train as PyTorch's guides advise for a GPU: bfloat16 by autocast, channels last, copies
        that do not wait.
    """

    classes: int
    device: torch.device
    learning_rate: float = 7.5e-5
    architecture: str = "resnet18"
    mixed: bool = False

    def __post_init__(self) -> None:  # noqa: D105
        self.model = get_model(self.architecture, weights=None)
        self.model.fc = nn.Sequential(
            nn.Linear(self.model.fc.in_features, 100),
            nn.ReLU(),
            nn.Dropout(0.0),
            nn.Linear(100, self.classes),
        )
        self.model.to(self.device)
        if self.mixed:
            self.model.to(memory_format=torch.channels_last)
        self.criterion = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.learning_rate)

    def train_epoch(self, loader: Batches) -> float:
        """Train on every picture that is drawn.

        Parameters
        ----------
        loader : torch.utils.data.DataLoader
            As `training_loader` gives it.

        Returns
        -------
        float
            Mean loss.
        """
        self.model.train()
        total, seen = torch.zeros((), device=self.device), 0
        for inputs, targets in loader:
            inputs = inputs.to(self.device, non_blocking=self.mixed)
            targets = targets.to(self.device, non_blocking=self.mixed)
            self.optimizer.zero_grad()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
                loss = self.criterion(self.model(inputs), targets)
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(targets)
            seen += len(targets)
        return float(total) / seen


def extract_features(model: nn.Module, loader: Batches, device: torch.device) -> Tensor:
    """Compute a network's outputs for pictures on disk.

    Parameters
    ----------
    model : torch.nn.Module
        A torchvision network.
    loader : torch.utils.data.DataLoader
        As `plain_loader` gives it.
    device : torch.device
        Where the network is.

    Returns
    -------
    torch.Tensor
        Outputs, float32, pictures x values.
    """
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(inputs.to(device)).cpu() for inputs, _ in loader])


def train_head(
    train: TensorDataset,
    val: TensorDataset,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
) -> nn.Module:
    """Train the paper's head on features; the epoch with the best validation macro F1 is kept.

    Parameters
    ----------
    train, val : torch.utils.data.TensorDataset
        Features N x F and labels N of the two parts.
    epochs : int
        Times through as many examples as there are, drawn with every class equally likely.
    batch_size : int
        Examples in a step.
    learning_rate, weight_decay : float
        Of Adam.

    Returns
    -------
    torch.nn.Module
        Trained.
    """
    features, labels = train.tensors
    counts = torch.bincount(labels)
    sampler = WeightedRandomSampler((1.0 / counts[labels]).tolist(), len(labels))
    loader = DataLoader(train, batch_size, sampler=sampler)
    model = nn.Sequential(nn.Linear(features.shape[1], 100), nn.ReLU(), nn.Linear(100, len(counts)))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    best, kept = -1.0, model.state_dict()
    for _ in range(epochs):
        model.train()
        for inputs, targets in loader:
            optimizer.zero_grad()
            criterion(model(inputs), targets).backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            predicted = model(val.tensors[0]).argmax(dim=1)
        score = f1_score(val.tensors[1], predicted, average="macro", zero_division=0)
        if score > best:
            best, kept = score, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(kept)
    return model
