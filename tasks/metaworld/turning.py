"""Tasks with what turns: faucet-open, faucet-close, dial-turn, lever-pull."""
