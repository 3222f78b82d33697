// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Audits} from "./Audits.sol";
import {Nodes} from "./Nodes.sol";
import {Store} from "./Store.sol";

/// @title The part of the registry's code that does not fit into one contract (EIP-170)
/// @notice The registry's constructor makes it, and the registry runs this code, and never any
/// other, on its own state. Called directly it has a state of its own, where there are no
/// namespaces, so no files: nothing that anybody reads.
contract Half is Nodes, Audits {
    constructor(Parameters memory p) Store(p) {}
}
