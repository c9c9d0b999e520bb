"""The words of a figure."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def texts(fig: Figure) -> str:
    """All words of a figure, a line each."""
    return "\n".join(text.get_text() for text in fig.findobj(plt.Text))
