"""What happened and what must hold: the event log and what is folded from it, fault points, conditions."""
