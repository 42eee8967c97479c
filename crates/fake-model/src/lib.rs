//! A model server for tests: real wire formats, misbehaves on demand.
