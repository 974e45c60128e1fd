//! Where results leave: one thread an output.
//!
//! In: x · Out: y · Thread: z.
