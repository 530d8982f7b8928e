"""Tag more photos than one process can: Ray Data over folders and object stores."""
