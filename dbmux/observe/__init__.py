"""Who watches: events in; figures, a bounded memory and a log out."""
