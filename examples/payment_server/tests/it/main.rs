//! The server as its customers, its channel and its operator meet it.
