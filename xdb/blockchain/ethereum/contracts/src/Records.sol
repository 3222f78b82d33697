// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Holdings} from "./Holdings.sol";

/// @title Records and names, as in `xdb/core/rules/files.py` and `names.py`
/// @notice A file is live until it is deleted or expires, then in retention, then gone.
abstract contract Records is Holdings {
    // ------------------------------------------------------------------ reading

    function _owner(uint256 word) internal pure returns (address) {
        return address(uint160(word));
    }

    function _expiry(uint256 word) internal pure returns (uint256) {
        return uint40(word >> 160);
    }

    function _deleted(uint256 word) internal pure returns (uint256) {
        return uint40(word >> 200);
    }

    /// @dev When it stops being live: deletion or expiry.
    function _ends(uint256 word) internal pure returns (uint256) {
        uint256 expiry = _expiry(word);
        uint256 deleted = _deleted(word);
        return deleted != 0 && deleted < expiry ? deleted : expiry;
    }

    /// @dev When retention ends.
    function _goneFrom(uint256 word) internal view returns (uint256) {
        return _ends(word) + RETENTION;
    }

    function _fileWord(address owner, uint256 expiry, uint256 deleted)
        internal
        pure
        returns (uint256)
    {
        return uint160(owner) | (expiry << 160) | (deleted << 200);
    }

    /// @dev A file that was published and not released.
    function _known(bytes32 file) internal view returns (uint256 word) {
        word = _files[file].word;
        require(word != 0, FileUnknown(file));
    }

    /// @dev A file of the sender, live or in retention.
    function _owned(bytes32 file) internal view returns (uint256 word) {
        word = _known(file);
        require(_owner(word) == msg.sender, NotAllowed(msg.sender));
        require(block.timestamp < _goneFrom(word), Gone(file, _goneFrom(word)));
    }

    /// @dev A file of the sender that is neither deleted nor expired.
    function _live(bytes32 file) internal view returns (uint256 word) {
        word = _owned(file);
        require(block.timestamp < _ends(word), Gone(file, _ends(word)));
    }

    // ------------------------------------------------------------------ records

    function _checkRecord(bytes32 file, Record calldata record) internal view {
        require(keccak256(abi.encode(record)) == _files[file].commitment, Version(file));
    }

    function _putRecord(bytes32 file, Record memory record) internal {
        _files[file].commitment = keccak256(abi.encode(record));
    }

    function _checkExpiry(bytes32 file, uint256 expiry) internal view {
        uint256 latest = block.timestamp + MAX_LIFETIME;
        require(block.timestamp < expiry && expiry <= latest, Expiry(file, expiry, latest));
    }

    function _checkHolder(Holder calldata holder) internal pure {
        uint256 all;
        // leaves | replicaLeaves | size | latestExpiry | validUntil
        assembly ("memory-safe") {
            let pair := or(calldataload(add(holder, 64)), calldataload(add(holder, 96)))
            all := or(calldataload(add(holder, 160)), calldataload(add(holder, 192)))
            all := or(or(all, pair), calldataload(add(holder, 128)))
        }
        _checkNumber(all, "holder");
    }

    // ------------------------------------------------------------------ names

    function _nameKey(address owner, bytes32 namespace, bytes32 name)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(owner, namespace, name));
    }

    /// @dev Gives `file` the name; NameTaken when another file holds it.
    function _takeName(bytes32 key, bytes32 name, bytes32 file) internal {
        bytes32 by = _names[key];
        if (by == file) return;
        if (by != 0) {
            uint256 word = _files[by].word;
            bool isHeld = word != 0 && _deleted(word) == 0 && block.timestamp < _goneFrom(word);
            require(!isHeld, NameTaken(name, by));
        }
        _names[key] = file;
    }

    /// @dev Frees a file's name, unless another took it meanwhile.
    function _dropName(address owner, Record calldata record, bytes32 file) internal {
        bytes32 key = _nameKey(owner, record.namespace, record.name);
        if (_names[key] == file) delete _names[key];
    }
}
