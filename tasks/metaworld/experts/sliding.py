"""Plans for objects pushed over the table: push-back, push-wall, soccer, sweep, sweep-into, and reach-wall."""
