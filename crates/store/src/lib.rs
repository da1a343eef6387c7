//! The only SQL of Pileus: embedded SQLite or PostgreSQL through the same code.
