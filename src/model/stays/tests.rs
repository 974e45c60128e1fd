//! Stays of single participants.
