"""The benchmark of this project itself: each module measures one thing, side by side with what it is held against."""
