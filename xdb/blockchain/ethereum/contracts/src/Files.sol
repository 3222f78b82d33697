// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IFiles} from "./IRegistry.sol";
import {Records} from "./Records.sol";

/// @title A file's life: renewal, renaming, deletion, release, as in `xdb/core/rules/files.py`
/// @notice Only its owner changes a file, and only before it is gone; afterwards anybody may
/// release it.
abstract contract Files is Records, IFiles {
    function renew(
        bytes32 file,
        Record calldata record,
        uint64 expiry,
        Renewal[] calldata renewals
    ) external {
        _checkNumber(expiry, "expiry");
        for (uint256 i = 0; i < renewals.length; ++i) {
            _checkNumber(renewals[i].slot, "slot");
            _checkHolder(renewals[i].holder);
        }
        uint256 word = _owned(file);
        _checkExpiry(file, expiry);
        require(expiry >= _expiry(word), Expiry(file, expiry, _expiry(word)));
        _checkRecord(file, record);
        Record memory renewed = record;
        _renewPlaces(file, renewed, expiry, renewals);
        for (uint256 i = 0; i < renewed.places.length; ++i) {
            uint256 latest = renewed.places[i].latestExpiry;
            require(latest >= expiry, Expiry(file, expiry, latest));
        }
        _takeName(_nameKey(msg.sender, record.namespace, record.name), record.name, file);
        _files[file].word = _fileWord(msg.sender, expiry, 0);
        if (renewals.length != 0) _putRecord(file, renewed);
        emit FileRenewed(file, expiry, renewals);
    }

    function _renewPlaces(
        bytes32 file,
        Record memory record,
        uint256 expiry,
        Renewal[] calldata renewals
    ) private view {
        uint256 total = record.places.length;
        require(renewals.length <= total, TooLarge(renewals.length, total));
        for (uint256 i = 0; i < renewals.length; ++i) {
            Renewal calldata renewal = renewals[i];
            uint256 slot = renewal.slot;
            require(1 <= slot && slot <= total, Slot(file, slot));
            for (uint256 j = 0; j < renewals.length; ++j) {
                require(j == i || renewals[j].slot != slot, Slot(file, slot));
            }
            Place memory place = record.places[slot - 1];
            require(renewal.holder.node == place.node, Holders(file, slot));
            _checkSame(file, slot, renewal.holder, place);
            _checkReceipt(
                _presentNode(place.node),
                Spoken(file, slot, record.root, record.version, expiry),
                renewal.holder
            );
            if (renewal.holder.latestExpiry > place.latestExpiry) {
                place.latestExpiry = renewal.holder.latestExpiry;
            }
        }
    }

    /// @dev Refuses a holding that is not the slot's, bit for bit.
    function _checkSame(bytes32 file, uint256 slot, Holder calldata holder, Place memory place)
        internal
        pure
    {
        bool isSame = holder.root == place.root && holder.leaves == place.leaves
            && holder.replicaLeaves == place.replicaLeaves && holder.size == place.size;
        require(isSame, Root(file, slot));
    }

    function rename(bytes32 file, Record calldata record, bytes32 name, bytes calldata label)
        external
    {
        _live(file);
        _checkLabel(label);
        _checkRecord(file, record);
        _dropName(msg.sender, record, file);
        _takeName(_nameKey(msg.sender, record.namespace, name), name, file);
        Record memory renamed = record;
        renamed.name = name;
        _putRecord(file, renamed);
        emit FileRenamed(file, name, label);
    }

    /// @notice The name stays entered, and counts as free while the file is deleted.
    function deleteFile(bytes32 file) external {
        _delete(file, _owned(file));
        emit FileDeleted(file);
    }

    function _delete(bytes32 file, uint256 word) internal {
        require(_deleted(word) == 0, Gone(file, _deleted(word)));
        _files[file].word = word | (block.timestamp << 200);
    }

    function release(bytes32 file, Record calldata record) external {
        uint256 word = _known(file);
        require(block.timestamp >= _goneFrom(word), NotGone(file, _goneFrom(word)));
        _checkRecord(file, record);
        _dropName(_owner(word), record, file);
        for (uint256 i = 0; i < record.places.length; ++i) {
            _drop(record.places[i]);
        }
        delete _files[file];
        emit FileReleased(file);
    }
}
