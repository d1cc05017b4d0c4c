"""What happens to a call, step by step: gather facts, let core decide, act."""
