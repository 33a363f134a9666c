"""Muon on the matrices, AdamW on the embedding and the norms.

Muon replaces a matrix's momentum by the nearest (semi-)orthogonal matrix, through
five Newton-Schulz steps; on models of this size it is several times faster than
AdamW alone. Matrices of one shape are orthogonalised together.
"""

import torch


def orthogonalize(g, steps=5):
    """Newton-Schulz iteration on a stack of matrices (count, rows, columns)."""
    x = g.bfloat16() if g.is_cuda else g
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.transpose(1, 2) if tall else x).to(g.dtype)


class Muon:
    """Both optimizers behind one step(rate), rate being the schedule's factor from 0 to 1."""

    def __init__(self, model, matrix_rate=.02, other_rate=4e-3, momentum=.95):
        matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and n.startswith("blocks") and p.requires_grad]
        chosen = {id(p) for p in matrices}
        others = [p for p in model.parameters() if id(p) not in chosen and p.requires_grad]
        self.rate, self.other_rate, self.momentum = matrix_rate, other_rate, momentum
        self.adam = torch.optim.AdamW(others, lr=other_rate, betas=(.9, .98), weight_decay=0)
        self.groups = {}
        for p in matrices:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.buffers = {shape: torch.zeros(len(ps), *shape, device=ps[0].device) for shape, ps in self.groups.items()}

    def state(self):
        """What resume() needs to continue an interrupted run."""
        return {"adam": self.adam.state_dict(), "buffers": self.buffers}

    def resume(self, state):
        self.adam.load_state_dict(state["adam"])
        for shape, buffer in state["buffers"].items():
            self.buffers[shape].copy_(buffer)

    @torch.no_grad()
    def step(self, factor):
        for group in self.adam.param_groups:
            group["lr"] = self.other_rate * factor
        self.adam.step()
        for shape, ps in self.groups.items():
            grads, buffer = torch.stack([p.grad for p in ps]), self.buffers[shape]
            buffer.mul_(self.momentum).add_(grads)
            update = orthogonalize(grads.add_(buffer, alpha=self.momentum))
            scale = self.rate * factor * max(1, shape[0] / shape[1]) ** .5
            for p, u in zip(ps, update):
                p.add_(u, alpha=-scale)
        for p in [*self.adam.param_groups[0]["params"], *sum(self.groups.values(), [])]:
            p.grad = None


def schedule(progress, warm=.01, hold=.35):
    """Learning-rate factor: warm-up, constant, linear decay to zero; progress from 0 to 1."""
    if progress < warm:
        return (progress + 1e-3) / (warm + 1e-3)
    return 1.0 if progress < hold else max(0.0, (1 - progress) / (1 - hold))
