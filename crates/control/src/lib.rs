//! Commands, work loop, placement and host rendering of Pileus.
