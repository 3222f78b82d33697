// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {INamespaces} from "./IRegistry.sol";
import {Store} from "./Store.sol";

/// @title Namespaces, as in `xdb/core/rules/namespaces.py`
abstract contract Namespaces is Store, INamespaces {
    uint8 private constant MERKLE = 1;

    function createNamespace(
        bytes32 namespace,
        bytes calldata label,
        Redundancy calldata redundancy,
        uint8 scheme
    ) external {
        _checkRedundancyNumbers(redundancy);
        bytes32 key = _namespaceKey(msg.sender, namespace);
        require(_namespaces[key] == 0, NamespaceExists(namespace));
        _checkLabel(label);
        _checkRedundancy(redundancy);
        require(scheme == MERKLE, Unsupported("scheme"));
        _namespaces[key] = _packed(redundancy, block.timestamp);
        emit NamespaceCreated(msg.sender, namespace, label, redundancy, scheme);
    }

    function updateNamespace(
        bytes32 namespace,
        bool labelled,
        bytes calldata label,
        bool changed,
        Redundancy calldata redundancy
    ) external {
        if (changed) _checkRedundancyNumbers(redundancy);
        uint256 word = _ownedNamespace(namespace);
        require(labelled || changed, Invalid("changes"));
        if (labelled) _checkLabel(label);
        if (changed) {
            _checkRedundancy(redundancy);
            word = _packed(redundancy, word >> 24);
            _namespaces[_namespaceKey(msg.sender, namespace)] = word;
        }
        bytes memory shown = labelled ? label : bytes("");
        emit NamespaceUpdated(msg.sender, namespace, labelled, shown, _redundancy(word));
    }

    /// @dev An existing namespace of the sender.
    function _ownedNamespace(bytes32 namespace) internal view returns (uint256 word) {
        word = _namespaces[_namespaceKey(msg.sender, namespace)];
        require(word != 0, NamespaceUnknown(namespace));
    }

    function _namespaceKey(address owner, bytes32 namespace) internal pure returns (bytes32) {
        return keccak256(abi.encode(owner, namespace));
    }

    function _redundancy(uint256 word) internal pure returns (Redundancy memory) {
        return Redundancy(uint8(word), uint8(word >> 8), uint8(word >> 16));
    }

    function _packed(Redundancy calldata redundancy, uint256 created)
        private
        pure
        returns (uint256)
    {
        return redundancy.coding | (uint256(redundancy.required) << 8)
            | (uint256(redundancy.total) << 16) | (created << 24);
    }

    function _checkRedundancyNumbers(Redundancy calldata redundancy) private pure {
        _checkNumber(redundancy.required | redundancy.total, "redundancy");
        bool isKnown = redundancy.coding == COPIES || redundancy.coding == ERASURE;
        require(isKnown, Invalid("coding"));
    }

    /// @dev Refuses policies that make no sense or need more slots than allowed.
    function _checkRedundancy(Redundancy calldata redundancy) private view {
        uint64 required = redundancy.required;
        uint64 total = redundancy.total;
        bool fits = redundancy.coding == COPIES
            ? required == 1 && total >= 1
            : required >= 2 && required < total;
        require(fits && total <= MAX_SLOTS, Policy(required, total));
    }
}
